import { createClient } from "dts-push/client";
import { DtsPushProvider, useOperation } from "dts-push/react";
import { useState } from "react";
import { createRoot } from "react-dom/client";

const client = createClient({ url: "http://localhost:8000" });

function Order({ id }) {
  const { operation, state } = useOperation(id);
  return <li>{`${operation?.status ?? state.kind}: ${operation?.custom_status?.message}`}</li>;
}

function Orders() {
  const [ids, setIds] = useState([]);
  const ship = async () => {
    const { operation_id } = await client.start("ship_order", ["lamp", "chair", "desk"]);
    setIds((before) => [...before, operation_id]);
  };
  const button = <input type="button" value="Ship an order" onClick={ship} />;
  const rows = ids.map((id) => <Order key={id} id={id} />);
  return (
    <DtsPushProvider client={client}>
      {button} <ul>{rows}</ul>
    </DtsPushProvider>
  );
}

createRoot(document.body.appendChild(document.createElement("div"))).render(<Orders />);
