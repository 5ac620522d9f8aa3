"""What papers and labs show, computed headless."""
