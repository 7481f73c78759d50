"""What a pod's containers share: its network, its volumes and the objects these show."""
