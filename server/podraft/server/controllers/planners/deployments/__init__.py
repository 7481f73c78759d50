"""The Deployment controller's decisions: one template's pods replace another's.

`plan` composes; `history` finds and makes replica sets, `scaling` and `rollout` say how
many replicas each should have, `status` what is observed of it all.
"""
