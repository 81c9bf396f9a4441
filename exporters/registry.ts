/** Every kind of destination, one line each. */
