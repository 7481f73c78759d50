"""One member's decisions beyond consensus, as a function of events: no loop, disk or clock."""
