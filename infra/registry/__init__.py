"""The private registry, its pull-through caches, and where each image comes from."""
