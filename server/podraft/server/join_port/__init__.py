"""The process of the join port: all that somebody without a certificate can reach."""
