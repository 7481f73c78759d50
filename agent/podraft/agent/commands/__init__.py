"""Commands in running containers.

There are three ways to run a command, because each purpose demands something else:

* an exec probe runs every few seconds, so it must be cheap and leave nothing behind: the OCI
  runtime runs it in an enclosure that ends with it (`by_runtime`, `enclosures`);
* a hook may leave something running that the container goes on to use: Podman's API starts it
  (`by_podman`), and so it does for probes where the agent does not know the runtime;
* what a person runs has streams, a terminal and a life that ends with the caller's: a launcher
  beside each holds it (`container_command`, `launcher`).
"""
