"""The whole job, from its file to the folder of a run."""
