"""Request metrics of all workers, in shared memory that outlives each of them. Knows neither Flask nor gunicorn."""
