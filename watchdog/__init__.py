"""Who judges: looks at how everything is, finds what is wrong, and says what is to be done about it. Knows sessions, and nothing above."""
