"""Who belongs to the group, what this member knows of it, and how that is changed."""
