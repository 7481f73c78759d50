"""Rights by roles: what a role's rules allow, to whom they are bound, who may hand them on."""
