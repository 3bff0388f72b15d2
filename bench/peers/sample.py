"""The HTTP side of the Python sample that this project succeeds, written anew: FastAPI over a store in memory.

A worker and a scheduler would only cost it time, so it has none: an operation is running until its time is over.
Usage: sample.py <port>
"""
import sys
import time
import uuid
from datetime import datetime, timezone

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
operations = {}


class StartRequest(BaseModel):
    processing_time: int = 5


@app.post("/api/start-operation")
async def start_operation(body: StartRequest):
    operation_id = str(uuid.uuid4())
    operations[operation_id] = (time.time(), body.processing_time)
    return {"operation_id": operation_id, "status_url": f"/api/operations/{operation_id}"}


@app.get("/api/operations/{operation_id}")
async def operation_status(operation_id: str):
    if operation_id not in operations:
        raise HTTPException(status_code=404, detail=f"Operation {operation_id} not found")
    started_at, processing_time = operations[operation_id]
    ends_at = started_at + processing_time
    if time.time() < ends_at:
        last_updated = datetime.fromtimestamp(started_at, timezone.utc).isoformat()
        return {"operation_id": operation_id, "status": "RUNNING", "last_updated": last_updated}
    result = {
        "operation_id": operation_id,
        "status": "completed",
        "result": f"Operation {operation_id} completed successfully",
        "processed_at": ends_at,
    }
    return {"operation_id": operation_id, "status": "Completed", "result": result}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
