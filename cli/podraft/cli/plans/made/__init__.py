"""Objects made of a command line's words, as the manifests that a user would have written.

Owns: what `create KIND`, `run`, `expose` and `autoscale` make.  Invariants: pure; every word that
makes no sense is a usage error that names the option; nothing is left out silently.
"""
