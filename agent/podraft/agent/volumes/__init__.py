"""A pod's volumes on this node: directories, memory, and live copies of ConfigMaps and Secrets."""
