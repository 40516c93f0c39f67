"""Which paths go with loyalty, said no louder than the data allow."""
