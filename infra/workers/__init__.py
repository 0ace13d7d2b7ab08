"""What runs in a region: the cluster, task definitions, roles, coordinators and their schedules."""
