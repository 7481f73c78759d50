"""The sandbox that a pod's containers share: network, volumes and the objects shown in them."""
