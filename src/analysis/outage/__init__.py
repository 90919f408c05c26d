"""One outage as a report: the public record, and a measured run on the same clock."""
