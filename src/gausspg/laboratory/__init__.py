"""Problems with known gradients, and their measurement; imports every other room."""
