"""What a drill is played on: a service on its hosts, variants of its release, a project to deploy, a proxy."""
