"""Which files a pod's volumes and ``/etc`` hold: pure functions."""
