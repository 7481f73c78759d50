"""The rooms of storage: sorts of volumes, and the drivers that make and mount them."""
