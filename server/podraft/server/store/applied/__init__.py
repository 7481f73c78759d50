"""The applied state: the result of the log, which is read and watched."""
