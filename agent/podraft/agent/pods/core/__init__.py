"""The pure decisions about pods: from the wanted, the observed and the time to actions."""
