-- Attempts in work, sampled by the fronts once a second, over the window.
-- $start, $end = the window, UTC.
-- Grain: one row: in_flight_mean (attempts, the fronts' means added), NULL without samples.
SELECT sum(in_flight_of_front) AS in_flight_mean
FROM (
  SELECT front_id, avg(in_flight) AS in_flight_of_front
  FROM pool_stats
  WHERE sampled_at >= CAST($start AS TIMESTAMP WITH TIME ZONE)
    AND sampled_at < CAST($end AS TIMESTAMP WITH TIME ZONE)
  GROUP BY front_id
) AS fronts
