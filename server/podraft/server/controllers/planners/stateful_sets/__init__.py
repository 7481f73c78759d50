"""The StatefulSet controller: numbered pods, made, replaced and ended in order."""
