"""The audit log: who did what, what allowed it, and why something was refused."""
