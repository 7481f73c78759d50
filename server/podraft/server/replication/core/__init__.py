"""What one member decides beyond consensus, as a function of events: no loop, disk or clock."""
