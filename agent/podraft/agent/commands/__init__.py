"""Commands in running containers.

Three ways, because three things are asked of a command:

* an exec probe is asked every few seconds, so it must be cheap, and leaves nothing: the OCI
  runtime runs it in an enclosure that ends with it (`by_runtime`, `enclosures`);
* a hook may leave something running that the container goes on to use: Podman's API starts it
  (`by_podman`), and so it does for probes where the agent does not know the runtime;
* what a person runs has streams, a terminal and a life that ends with the caller's: a launcher
  beside each holds it (`container_command`, `launcher`).
"""
