"""Making a release the current one, step by step: verified, loaded, switched to, taken up, proved; or the host as it was."""
