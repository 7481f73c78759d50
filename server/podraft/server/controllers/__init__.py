"""The controllers, which bring the observed state nearer to the declared one, and keep it there.

`core` defines a controller; each room of `planners/` holds one: its decisions, purely, and
its triggers, as data.  `manager` is the one shell that feeds all of them from informers and
commits their plans; `every` lists them; `app` runs it all while this process is the leader.
"""
