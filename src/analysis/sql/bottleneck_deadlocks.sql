-- grain: one edge of one deadlock
-- columns: log_time, victim_pid, waiter_pid, mode, target, blocker_pid, waiter_statement (masked)
SELECT log_time, victim_pid, waiter_pid, mode, target, blocker_pid, waiter_statement
FROM log_deadlock_edges
WHERE log_time >= $start AND log_time < $end
ORDER BY log_time, session_id, session_line_num, waiter_pid
LIMIT $top
