"""Business modules, one package each; found and registered by themselves (raab.factory.moduleFactory)."""
