"""The write-ahead log of one data directory, and the seam between proposed and committed."""
