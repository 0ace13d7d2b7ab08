"""The cluster, task definitions, roles, coordinators and schedules of a region."""
