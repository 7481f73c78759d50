"""The controllers: they bring what is nearer to what was declared, and keep it there.

`core` says what a controller is; each room of `planners/` holds one: its decisions, purely, and
what wakes it, as data.  `manager` is the one shell that feeds all of them from informers and
commits their plans; `every` lists them; `app` runs it all while this process is the leader.
"""
