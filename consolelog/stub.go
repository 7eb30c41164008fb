package consolelog

// A Request is one answer of nova-api with the text of a console.
type Request struct{}
// A Broker is a node of RabbitMQ.
type Broker struct{}
