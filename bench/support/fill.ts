/** Fills a file with finished instances, without running them. */

import { COMPLETED } from "../../src/scheduler/protocol/status.ts";
import { openDatabase } from "../../src/scheduler/storage/database.ts";

export function fillWithFinished(file: string, count: number): void {
  const { db } = openDatabase(file);
  const now = Date.now();
  db.exec(`BEGIN;
    INSERT INTO hubs (id, name) VALUES (1, 'default');
    CREATE TEMP TABLE numbers AS
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) SELECT i FROM n;
    INSERT INTO instances (key, hub, instance_id, execution_id, generation, turn, name, status, held,
        created_ms, updated_ms, completed_ms)
      SELECT i, 1, 'finished-' || i, printf('%032x', i), 0, 2, 'chain', ${COMPLETED}, 0,
        ${now} - i, ${now} - i + 20, ${now} - i + 20 FROM numbers;
    INSERT INTO payloads (key, input, output) SELECT i, '1', '1' FROM numbers;
    INSERT INTO history (instance_key, turn, events) SELECT i, 1, zeroblob(250) FROM numbers;
    INSERT INTO history (instance_key, turn, events) SELECT i, 2, zeroblob(120) FROM numbers;
    COMMIT`);
  db.close();
}
