"""The ReplicationController controller: what a ReplicaSet has, in the older form."""
