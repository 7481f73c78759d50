"""The controller of ClusterRoles that gather the rules of others."""
