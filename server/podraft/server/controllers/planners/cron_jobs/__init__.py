"""The CronJob controller: a job at each time of a schedule."""
