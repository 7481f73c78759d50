"""Commands about workloads: their images, replicas and rollouts."""
