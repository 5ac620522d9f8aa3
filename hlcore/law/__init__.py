"""The law: H' = φL + z·f^h and the four updates."""
