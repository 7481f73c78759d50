"""The files in a pod's volumes and in ``/etc``: pure functions."""
