"""Published figures of what trials cost, one file per source; none is indexed to today: that is the user's."""
