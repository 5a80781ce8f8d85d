"""What a deployer's one connection runs as root. It travels, together with the ground that it stands on (raab.deploy.hosts.wire)."""
