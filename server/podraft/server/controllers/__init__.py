"""The controllers: they bring what is nearer to what was declared, and keep it there.

`planners/` decides, purely; `manager` is the one shell that feeds all planners from
informers and commits their plans; `wiring` says which change concerns which key; `app`
runs it all while this process is the leader.
"""
