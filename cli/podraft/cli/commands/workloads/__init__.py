"""Commands about what runs: its images, its replicas, its rollouts."""
