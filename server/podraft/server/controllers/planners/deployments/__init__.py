"""The Deployment controller's decisions: one template's pods replace another's.

`plan` composes; `history` finds and makes replica sets, `scaling` and `rollout` compute how
many replicas each should have, `status` reports what is observed.
"""
