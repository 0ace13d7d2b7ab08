"""The private registry, its pull-through caches, and the source of each image."""
