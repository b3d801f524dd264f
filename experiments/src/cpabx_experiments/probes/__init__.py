"""What is measured beside the accuracy: Fig. 3, Fig. 6c and section 4.2.1 of the paper."""
