"""The verbs of `fab` for this project: `fab --list` shows them, `fab --help VERB` what each takes."""

from raab.deploy.verbs import verbs

namespace = verbs(__file__)
