"""The rules that tell whether a cluster is well; pure."""
